"""What tables and figures need beyond checkpoints: trials of varied trainings, and attackers on other models."""
