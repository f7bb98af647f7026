"""What stands in the way of serving a notebook to others than the host itself. Pure.

Used where the firewall is opened and where the server is configured, so that both refuse the same with the same words.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ipaddress

ACCESS = ("tunnel", "public")


def problems(access, cidr, allow_world, tls=True):
    """Sentences about what was asked for; empty when all is well.

    access: tunnel or public. cidr: the network that may reach a public notebook. allow_world: whether prefix length 0
    is meant. tls: whether a public notebook is encrypted.
    """
    if access not in ACCESS:
        return ["jupyter_access is '%s', expected tunnel or public: leave it out for a tunnel through ssh." % access]
    if access == "tunnel":
        return []
    found = cidr_problems(cidr, allow_world)
    if not tls:
        found.append(
            "jupyter_server_tls is false and jupyter_access is public, which would send the token in clear: leave "
            "jupyter_server_tls out, or use -e jupyter_access=tunnel."
        )
    return found


def cidr_problems(cidr, allow_world):
    """Sentences about the network that may reach a public notebook."""
    if not cidr:
        return [
            "jupyter_access is public and jupyter_cidr is empty, expected the network that may reach the notebook: "
            "give it like -e jupyter_cidr=203.0.113.7/32, or use -e jupyter_access=tunnel."
        ]
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError as error:
        return [
            "jupyter_cidr is '%s', which is no network (%s): give one like -e jupyter_cidr=203.0.113.7/32."
            % (cidr, error)
        ]
    if network.prefixlen == 0 and not allow_world:
        return [
            "jupyter_cidr is %s, which opens the notebook to the whole world: give your own network, or say that you "
            "mean it with -e allow_world=true." % cidr
        ]
    return []
