"""How good labels are: segmentation, keypoints, boundaries, folds, and label errors."""
