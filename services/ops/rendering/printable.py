def printable(text: str) -> str:
    """The text with what a terminal would obey or hide made visible: strangers may have written it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
