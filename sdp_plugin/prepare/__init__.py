"""From nothing to verified data: downloading, unpacking, converting and checking what is trained and tested on."""
