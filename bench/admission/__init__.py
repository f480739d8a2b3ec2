"""What admission costs: the transaction of an intent, with breakers reserved and budgets spent and without, as history grows."""
