//! IN: device -> Event. A pure parser and a short loop each.
