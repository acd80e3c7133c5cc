"""Pictures in folders, their splits and checks, and out-distribution pictures."""
