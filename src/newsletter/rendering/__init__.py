"""A digest becomes an email: HTML and text once for a campaign, slots filled for each reader."""
