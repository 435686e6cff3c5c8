"""Other people's formats and services: FHIR, DICOM results. Knows neither pages nor commands."""
