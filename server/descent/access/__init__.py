"""Who may do what: keys that teachers hand out, and the people who came by them."""

from descent.access.book import Book, Key
from descent.access.people import LOCAL, Person, Role, allows

__all__ = ["LOCAL", "Book", "Key", "Person", "Role", "allows"]
