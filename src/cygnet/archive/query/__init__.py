"""The search language: text to tree (``parse``), tree to SQL (``translate``). Nothing else reads queries."""

from cygnet.archive.query.parser import QueryError, parse
from cygnet.archive.query.translate import Matches, translate
from cygnet.archive.query.tree import And, Everything, Node, Not, Or, Term, to_text

__all__ = ["And", "Everything", "Matches", "Node", "Not", "Or", "QueryError", "Term", "parse", "to_text", "translate"]
