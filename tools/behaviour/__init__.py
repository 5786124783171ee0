"""Behaviours that datasets are collected with: trained online, and picked as a ladder from random to expert."""
