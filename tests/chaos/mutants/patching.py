"""How a mutant takes a part's place."""


def put(owner: object, name: str, careless: object) -> None:
    """Raises AttributeError where there is no such part any more: a mutant that changes nothing would prove nothing."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner!r} has no {name}: the mutant must follow the product")
    setattr(owner, name, careless)
