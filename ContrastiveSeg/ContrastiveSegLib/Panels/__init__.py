"""The sections of the panel; each fills and reads its own widgets."""
