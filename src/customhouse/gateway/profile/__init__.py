"""Profiles: whatever a device's needs were learned from, they become one noun, `DeviceProfile`."""
