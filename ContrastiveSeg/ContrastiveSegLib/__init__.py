"""Slicer side of ContrastiveSeg: scene, widgets and the worker's process; never torch or monai."""
