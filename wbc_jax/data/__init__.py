"""From encoded images to arrays on the devices: who is in train and test, and what is fed."""
