"""What the pre-flight and `doctor` look at outside of the digest: links, DNS, SpamAssassin."""
