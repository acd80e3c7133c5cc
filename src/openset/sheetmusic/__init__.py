"""The worked example: is this picture sheet music? Data, net, card and the shipped judge.

What counts: staff notation with notes does; empty staves, tablature alone and chord sheets do not.
"""
