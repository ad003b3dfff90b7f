"""The pages a person signs in and decides on."""
