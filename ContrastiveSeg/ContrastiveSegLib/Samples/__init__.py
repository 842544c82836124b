"""A volume to try the module on."""
