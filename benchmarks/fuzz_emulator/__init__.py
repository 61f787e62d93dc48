"""Bad input for the emulator; see ``__main__``."""
