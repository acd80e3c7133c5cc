"""What Hein et al. 2019 (arXiv 1812.05720) report, measured again: the released nets, and Tables 1 and 2.

Every figure comes with its number of images, a 95 % interval and, where there is one, the paper's figure beside it.
"""
