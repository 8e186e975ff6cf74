"""The published tools' interfaces."""
