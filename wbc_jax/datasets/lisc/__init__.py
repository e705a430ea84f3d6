"""LISC (Rezatofighi and Soltanian-Zadeh 2011): whole smears with an expert's segmentation."""
