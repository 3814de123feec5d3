"""How estimators are written as graphs; one file a family, each with `CONVERTERS`, a mapping of class to `Methods`."""
