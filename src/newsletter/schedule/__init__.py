"""When a campaign is made: schedules, their editions, and firing them."""
