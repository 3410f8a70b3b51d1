"""The profiles that ship with Sirius, as package data. They are read through ``sirius_cli.config.catalogue``."""
