"""A mirror on the loopback interface that behaves like the real servers: ETags, ranges, cut connections."""

import contextlib
import gzip
import hashlib
import http.server
import io
import json
import threading
import zipfile

import pytest


class Mirror:
    """Files by path; `cut[path]` ends the connection after so many bytes, once."""

    def __init__(self):
        self.files = {}
        self.cut = {}
        self.requests = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler):
        path = handler.path.lstrip("/")
        span = handler.headers.get("Range")
        if path not in self.files:
            handler.send_error(404)
            return
        content = self.files[path]
        tag = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
        if handler.headers.get("If-None-Match") == tag:
            self.requests.append((path, 304))
            handler.send_response(304)
            handler.end_headers()
            return
        start = 0
        if span and handler.headers.get("If-Range") == tag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
        status = 206 if start else 200
        self.requests.append((path, status))
        handler.send_response(status)
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        end = self.cut.pop(path, len(content))
        with contextlib.suppress(OSError):
            handler.wfile.write(content[start:end])
        if end < len(content):
            handler.close_connection = True

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror():
    made = Mirror()
    yield made
    made.close()


def zipped(documents):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, document in documents.items():
            archive.writestr(name, document if isinstance(document, bytes | str) else json.dumps(document))
    return out.getvalue()


def kev(day, *cves):
    rows = [
        {
            "cveID": cve,
            "vendorProject": "V",
            "product": "P",
            "vulnerabilityName": "N",
            "dateAdded": day,
            "shortDescription": "",
            "requiredAction": "",
            "dueDate": day,
            "knownRansomwareCampaignUse": "Unknown",
            "notes": "",
            "cwes": [],
        }
        for cve in cves
    ]
    document = {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": day.replace("-", "."),
        "dateReleased": f"{day}T12:00:00.0000Z",
        "count": len(rows),
        "vulnerabilities": rows,
    }
    return json.dumps(document).encode()


def epss(day, scores):
    lines = [f"#model_version:v2025.03.14,score_date:{day}T00:00:00Z", "cve,epss,percentile"]
    lines += [f"{cve},{score},0.5" for cve, score in scores.items()]
    return gzip.compress("\n".join(lines).encode() + b"\n")


def nvd_item(cve, product, *, end="2.0", status="Analyzed", vendor="acme"):
    return {
        "cve": {
            "id": cve,
            "sourceIdentifier": "x@y",
            "published": "2026-01-02T03:04:05.000",
            "lastModified": "2026-01-03T03:04:05.000",
            "vulnStatus": status,
            "descriptions": [{"lang": "en", "value": "prose that is not kept"}],
            "metrics": {
                "cvssMetricV31": [
                    {
                        "source": "nvd@nist.gov",
                        "type": "Primary",
                        "cvssData": {
                            "version": "3.1",
                            "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                            "baseScore": 9.8,
                        },
                    }
                ]
            },
            "weaknesses": [{"source": "n", "type": "Primary", "description": [{"lang": "en", "value": "CWE-787"}]}],
            "configurations": [
                {
                    "operator": "AND",
                    "nodes": [
                        {
                            "operator": "OR",
                            "negate": False,
                            "cpeMatch": [
                                {
                                    "vulnerable": True,
                                    "criteria": f"cpe:2.3:a:{vendor}:{product}:*:*:*:*:*:*:*:*",
                                    "versionEndExcluding": end,
                                    "matchCriteriaId": "0",
                                }
                            ],
                        },
                        {
                            "operator": "OR",
                            "negate": False,
                            "cpeMatch": [
                                {"vulnerable": False, "criteria": "cpe:2.3:h:acme:board:-:*:*:*:*:*:*:*"},
                                {"vulnerable": False, "criteria": "cpe:2.3:a:acme:innocent:1.0:*:*:*:*:*:*:*"},
                            ],
                        },
                    ],
                }
            ],
        }
    }


def nvd(day, *items):
    document = {
        "resultsPerPage": len(items),
        "startIndex": 0,
        "totalResults": len(items),
        "format": "NVD_CVE",
        "version": "2.0",
        "timestamp": f"{day}T03:00:00.000",
        "vulnerabilities": list(items),
    }
    return gzip.compress(json.dumps(document).encode())


def osv_record(name, modified, *, package="widget", fixed="2.0", ecosystem="OSS-Fuzz", aliases=()):
    return {
        "id": name,
        "modified": modified,
        "published": "2026-01-01T00:00:00Z",
        "aliases": list(aliases),
        "schema_version": "1.6.0",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def cve_record(cve, updated, *, product="gadget", less="3.0", state="PUBLISHED"):
    return {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": cve,
            "state": state,
            "datePublished": "2026-01-01T00:00:00.000Z",
            "dateUpdated": updated,
        },
        "containers": {
            "cna": {
                "affected": [
                    {
                        "vendor": "acme",
                        "product": product,
                        "defaultStatus": "unaffected",
                        "versions": [
                            {"version": "1.0", "status": "affected", "lessThan": less, "versionType": "custom"}
                        ],
                    }
                ]
            }
        },
    }
