"""A finished run put to use: pictures in, cells with classes and a differential count out."""
