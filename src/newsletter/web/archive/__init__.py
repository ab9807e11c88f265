"""Past issues: pages, search, feeds, sitemap."""
