"""URLs of servers, and the passwords in them."""

import re
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

_USER_INFO = re.compile(r"(?<=://)([^\s/@:]*):([^\s/]*)@")


def with_password(url: str | SecretStr, password: str | SecretStr | None) -> str:
    """The URL with this password in it, percent-encoded; the URL as it is when there is none.

    A password that stands in the URL already is replaced. The hosts may be several (MongoDB). Raises ValueError,
    without any secret in it, when the URL names no user that the password could belong to.
    """
    text = _plain(url)
    if password is None:
        return text
    scheme, netloc, path, query, fragment = urlsplit(text)
    user_info, at, hosts = netloc.rpartition("@")
    user = user_info.partition(":")[0]
    if not at or not user:
        raise ValueError(f"a password was given for a {scheme}:// URL that names no user")
    return urlunsplit((scheme, f"{user}:{quote(_plain(password), safe='')}@{hosts}", path, query, fragment))


def redacted(text: str) -> str:
    """The same text with the password of every URL in it replaced by `***`: for logs and error lines."""
    return _USER_INFO.sub(r"\1:***@", text) if "://" in text else text


def _plain(text: str | SecretStr) -> str:
    return text.get_secret_value() if isinstance(text, SecretStr) else text
