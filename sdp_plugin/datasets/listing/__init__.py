"""Finding the images of a data set, and checking them, without torch: data sets and the plan of a grid both do."""
