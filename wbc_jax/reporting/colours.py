"""Colours that colour-blind readers tell apart; importing this imports no matplotlib.

Source: Okabe and Ito, "Color Universal Design" (2008); their yellow is left out, it is lost on
white paper.
"""

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#6b6b6b"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
KIND_COLOURS = {"RBC": ORANGE, "WBC": BLUE, "Platelets": GREEN}  # of cells, in every picture
