"""The public HTTP door: paths, bodies, envelopes; the policy chain behind it knows none of them."""
