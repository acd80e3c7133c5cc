"""The commands, one file each. Each file imports typer alone; what a command needs is imported when it runs."""
