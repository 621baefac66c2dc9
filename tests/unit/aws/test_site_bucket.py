"""The bucket of a site: how files are written, and what a refused write says."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.site_bucket import SiteBucket
from orchestrator.domain.errors import Refused, Throttled
from tests.fakes.status_pages import SiteS3


def test_a_file_is_written_with_its_type_and_is_cached_for_seconds():
    s3 = SiteS3()
    bucket = SiteBucket(s3, "site")
    bucket.write_file("feed.rss", "application/rss+xml", b"<rss/>")
    put = s3.objects["feed.rss"]
    assert (bucket.name, put["Bucket"], put["Body"]) == ("site", "site", b"<rss/>")
    assert (put["ContentType"], put["CacheControl"]) == ("application/rss+xml", "public, max-age=5")


@pytest.mark.parametrize(
    ("code", "error"),
    [("NoSuchBucket", Refused), ("AccessDenied", Refused), ("SlowDown", Throttled), ("InvalidRequest", ClientError)],
)
def test_a_write_that_fails_is_refused_repeated_or_passed_on(code, error):
    with pytest.raises(error):
        SiteBucket(SiteS3(refuses=code), "site").write_file("index.html", "text/html", b"")
