"""Standard documents, both ways: CycloneDX, SPDX, OpenVEX, CSAF."""
