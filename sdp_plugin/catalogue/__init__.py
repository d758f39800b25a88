"""What each data set is and where its files lie, published results, folds and draws. Imports no torch."""
