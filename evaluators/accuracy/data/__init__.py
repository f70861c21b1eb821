"""The images: where they lie, how they are read, divided and prepared."""
