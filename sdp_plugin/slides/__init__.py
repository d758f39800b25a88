"""From a classifier to a whole slide: tiles at its resolution, and results that QuPath opens."""
