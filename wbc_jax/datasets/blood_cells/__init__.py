"""Blood Cell Images (Kaggle `dataset2-master`): 12,515 JPEGs of four kinds of white blood cell."""
