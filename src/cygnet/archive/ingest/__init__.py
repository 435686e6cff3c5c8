"""From a folder, zip, DICOM files or another archive into this one: sources, checks, commit."""
