"""What a text, an image or a list of numbers is looked at for, beside the value itself."""
