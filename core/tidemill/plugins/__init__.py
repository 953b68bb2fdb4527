"""Finding plugins: which are installed, what they offer, and what is wrong with them.

A plugin is an entry point in the group `tidemill` of any installed distribution. Each is
imported and asked by itself, so one that fails is named where it matters and harms
nothing else. What an executor or a notifier does is no business of this room.
"""

from tidemill.plugins.found import Plugins
from tidemill.plugins.loading import load
from tidemill.plugins.offers import Listener, Offer, Offered, PluginError, PluginInfo

__all__ = ["Listener", "Offer", "Offered", "PluginError", "PluginInfo", "Plugins", "load"]
