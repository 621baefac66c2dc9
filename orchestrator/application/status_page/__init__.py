"""The status page: collect what is known, render the site with its feeds, and publish what changed."""
