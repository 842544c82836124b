"""Few-label segmentation of medical volumes with contrastively pretrained encoders."""

__version__ = "0.1.0"
