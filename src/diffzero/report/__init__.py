"""The report: one HTML page that opens without a network."""

from diffzero.report.page import Contents, page
from diffzero.report.provenance import provenance

__all__ = ["Contents", "page", "provenance"]
