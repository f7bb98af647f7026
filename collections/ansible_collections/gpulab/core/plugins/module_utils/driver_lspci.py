"""What `lspci` (-nnk, -nn, -n, -k or plain) says of a host's NVIDIA GPUs. Pure."""

import re

NVIDIA_MODULE = re.compile(
    r"^nvidia(?:[-_](?:current|\d+|tesla|legacy|open|server|updates|experimental|srv|kernel)\w*)*$"
)
_PCI = re.compile(r"^\s*((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])\s+(.*)$")
_NVIDIA = re.compile(r"nvidia|\b10de:[0-9a-f]{4}\b", re.IGNORECASE)
# Classes 0300 and 0302: a bridge (NVSwitch) or a sound function is no GPU.
_DISPLAY = re.compile(r"\[?\b030[02]\b|VGA compatible controller|3D controller|Display controller")


class Gpu(object):
    """One NVIDIA display device of lspci: address ("01:00.0"), id ("118a" or ""), driver in use ("" unknown), lost
    (rev ff).
    """

    def __init__(self, address):
        self.address, self.id, self.driver, self.lost, self.line = address, "", "", False, ""


def gpus(lines):
    """Return the Gpus of lspci's lines, or None when they do not say: details without their device."""
    found = {}  # type: dict[str, Gpu]
    device, devices = None, 0
    for line in lines:
        match = _PCI.match(line)
        if match:
            devices += 1
            address, text = match.group(1)[-7:].lower(), match.group(2)
            ours = _NVIDIA.search(text) and _DISPLAY.search(text)
            device = found.setdefault(address, Gpu(address)) if ours else None
            if device is not None:
                device.line = device.line or line.strip()
                number = re.search(r"\b10de:([0-9a-fA-F]{4})\b", text)
                device.id = number.group(1).lower() if number else device.id
                device.lost = device.lost or "(rev ff)" in text
        elif device is not None:
            driver = re.search(r"Kernel driver in use:\s*(\S+)", line)
            device.driver = driver.group(1) if driver else device.driver
    text = " ".join(lines)
    if not devices and text.strip() and "no NVIDIA device" not in text:
        return None
    return list(found.values())


def no_module_listed(lines):
    """Return whether lspci -k lists modules for the GPU, NVIDIA's is not among them, and none is in use."""
    listed = [line.split(":", 1)[1] for line in lines if "Kernel modules:" in line]
    names = {name.strip() for part in listed for name in part.split(",")}
    ours = any(NVIDIA_MODULE.match(name) for name in names) or any("driver in use" in line for line in lines)
    return bool(names & {"nouveau", "nvidiafb"}) and not ours
