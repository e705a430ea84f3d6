"""Pictures of the user's own, one white cell each, in folders by class."""
