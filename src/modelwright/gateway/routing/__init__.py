"""Where a call goes and what happens when it fails there: pure rules over values, times handed in."""
