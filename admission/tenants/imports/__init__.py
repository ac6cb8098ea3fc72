"""What registers publish of who owns whom, turned into the facts of a Tenant; a person checks them."""
