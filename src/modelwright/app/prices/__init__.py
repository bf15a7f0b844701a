"""What every variant costs, and where its price stands."""
