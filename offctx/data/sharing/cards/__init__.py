"""Cards of a dataset for hubs: a README with the header of the Hugging Face hub, and Croissant metadata. Pure functions."""

from offctx.data.sharing.cards.croissant import croissant
from offctx.data.sharing.cards.files import CardFile, hash_files
from offctx.data.sharing.cards.hub import hub_card
from offctx.data.sharing.cards.place import card_files
from offctx.data.sharing.cards.stored import about_and_files

__all__ = ["CardFile", "about_and_files", "card_files", "croissant", "hash_files", "hub_card"]
