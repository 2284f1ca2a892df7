"""The report: one HTML page that opens without a network."""

from diffzero.reporting.html.page import Contents, page
from diffzero.reporting.html.provenance import provenance

__all__ = ["Contents", "page", "provenance"]
