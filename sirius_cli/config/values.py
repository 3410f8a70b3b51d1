"""What a value means that was given as text."""


def value_of(text: str) -> object:
    """A number if ``text`` is one, else ``text``; whether a field may have that is the profile's to say."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
