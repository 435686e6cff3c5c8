"""Images and metadata out of the archive: folder, zip, Parquet, Kaggle layout, DICOM; snapshots that stay as they are."""
